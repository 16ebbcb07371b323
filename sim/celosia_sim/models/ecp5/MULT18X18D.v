// SPDX-License-Identifier: BSD-2-Clause
//
// Simulation model of ECP5's MULT18X18D, after Lattice FPGA-TN-02205 (ECP5 and ECP5-5G sysDSP Usage
// Guide), sections on the multiplier and its registers, and FPGA-DS-02012.
//
// Modes it covers: P is A * B, each of them signed or not as SIGNEDA and SIGNEDB say, which must
// not change; registers for A, B, the pipeline and P, each absent ("NONE") or with any of the
// clocks, clock enables and resets. The pipeline register lies between multiplier and output
// register. Resets are synchronous and win over enables. Registers start as zero.
//
// Modes it rejects, with a message and the end of the simulation: asynchronous resets, divided
// clocks, the C input and the pre-adder, operands from the shift chain, MULT_BYPASS and
// HIGHSPEED_CLK. Outputs to other DSP blocks (SROA, SROB, ROA, ROB, ROC, SIGNEDP) stay zero. The
// global reset is not modelled.

module MULT18X18D (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0, CE3, CE2, CE1, CE0, RST3, RST2, RST1, RST0,
    input SRIA17, SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9, SRIA8, SRIA7,
        SRIA6, SRIA5, SRIA4, SRIA3, SRIA2, SRIA1, SRIA0,
    input SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10, SRIB9, SRIB8, SRIB7,
        SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0,
    output SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9, SROA8, SROA7,
        SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0,
    output SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9, SROB8, SROB7,
        SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0,
    output ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9, ROA8, ROA7, ROA6, ROA5,
        ROA4, ROA3, ROA2, ROA1, ROA0,
    output ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9, ROB8, ROB7, ROB6, ROB5,
        ROB4, ROB3, ROB2, ROB1, ROB0,
    output ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9, ROC8, ROC7, ROC6, ROC5,
        ROC4, ROC3, ROC2, ROC1, ROC0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
        P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
    output SIGNEDP
);
    parameter REG_INPUTA_CLK = "NONE";
    parameter REG_INPUTA_CE = "CE0";
    parameter REG_INPUTA_RST = "RST0";
    parameter REG_INPUTB_CLK = "NONE";
    parameter REG_INPUTB_CE = "CE0";
    parameter REG_INPUTB_RST = "RST0";
    parameter REG_INPUTC_CLK = "NONE";
    parameter REG_INPUTC_CE = "CE0";
    parameter REG_INPUTC_RST = "RST0";
    parameter REG_PIPELINE_CLK = "NONE";
    parameter REG_PIPELINE_CE = "CE0";
    parameter REG_PIPELINE_RST = "RST0";
    parameter REG_OUTPUT_CLK = "NONE";
    parameter REG_OUTPUT_CE = "CE0";
    parameter REG_OUTPUT_RST = "RST0";
    parameter CLK0_DIV = "ENABLED";
    parameter CLK1_DIV = "ENABLED";
    parameter CLK2_DIV = "ENABLED";
    parameter CLK3_DIV = "ENABLED";
    parameter HIGHSPEED_CLK = "NONE";
    parameter GSR = "ENABLED";
    parameter CAS_MATCH_REG = "FALSE";
    parameter SOURCEB_MODE = "B_SHIFT";
    parameter MULT_BYPASS = "DISABLED";
    parameter RESETMODE = "SYNC";

    wire [17:0] a = {
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
    };
    wire [17:0] b = {
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
    };
    wire [17:0] c = {
        C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0
    };
    wire [17:0] a_registered, b_registered;
    wire [35:0] product, product_registered, p;

    celosia_mult18x18d_register #(
        .WIDTH(18), .CLOCK(REG_INPUTA_CLK), .ENABLE(REG_INPUTA_CE), .RESET(REG_INPUTA_RST)
    ) input_a (
        .clocks({CLK3, CLK2, CLK1, CLK0}), .enables({CE3, CE2, CE1, CE0}),
        .resets({RST3, RST2, RST1, RST0}), .d(a), .q(a_registered)
    );
    celosia_mult18x18d_register #(
        .WIDTH(18), .CLOCK(REG_INPUTB_CLK), .ENABLE(REG_INPUTB_CE), .RESET(REG_INPUTB_RST)
    ) input_b (
        .clocks({CLK3, CLK2, CLK1, CLK0}), .enables({CE3, CE2, CE1, CE0}),
        .resets({RST3, RST2, RST1, RST0}), .d(b), .q(b_registered)
    );
    assign product = {{18{SIGNEDA & a_registered[17]}}, a_registered}
        * {{18{SIGNEDB & b_registered[17]}}, b_registered};
    celosia_mult18x18d_register #(
        .WIDTH(36), .CLOCK(REG_PIPELINE_CLK), .ENABLE(REG_PIPELINE_CE), .RESET(REG_PIPELINE_RST)
    ) pipeline (
        .clocks({CLK3, CLK2, CLK1, CLK0}), .enables({CE3, CE2, CE1, CE0}),
        .resets({RST3, RST2, RST1, RST0}), .d(product), .q(product_registered)
    );
    celosia_mult18x18d_register #(
        .WIDTH(36), .CLOCK(REG_OUTPUT_CLK), .ENABLE(REG_OUTPUT_CE), .RESET(REG_OUTPUT_RST)
    ) output_p (
        .clocks({CLK3, CLK2, CLK1, CLK0}), .enables({CE3, CE2, CE1, CE0}),
        .resets({RST3, RST2, RST1, RST0}), .d(product_registered), .q(p)
    );
    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20,
        P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2,
        P1, P0
    } = p;
    assign {
        SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9, SROA8,
        SROA7, SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0
    } = 18'b0;
    assign {
        SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9, SROB8,
        SROB7, SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0
    } = 18'b0;
    assign {
        ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9, ROA8, ROA7, ROA6,
        ROA5, ROA4, ROA3, ROA2, ROA1, ROA0
    } = 18'b0;
    assign {
        ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9, ROB8, ROB7, ROB6,
        ROB5, ROB4, ROB3, ROB2, ROB1, ROB0
    } = 18'b0;
    assign {
        ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9, ROC8, ROC7, ROC6,
        ROC5, ROC4, ROC3, ROC2, ROC1, ROC0
    } = 18'b0;
    assign SIGNEDP = 1'b0;

    generate
        if (RESETMODE != "SYNC")
            $fatal(1, "MULT18X18D: RESETMODE must be SYNC for this model, not %s", RESETMODE);
        if (CLK0_DIV != "ENABLED" || CLK1_DIV != "ENABLED" || CLK2_DIV != "ENABLED"
                || CLK3_DIV != "ENABLED" || HIGHSPEED_CLK != "NONE")
            $fatal(1, "MULT18X18D: this model has no divided or high-speed clocks");
        if (REG_INPUTC_CLK != "NONE")
            $fatal(1, "MULT18X18D: this model has no C input");
        if (MULT_BYPASS != "DISABLED" || CAS_MATCH_REG != "FALSE")
            $fatal(1, "MULT18X18D: MULT_BYPASS and CAS_MATCH_REG must be off for this model");
    endgenerate

    // What must be constant is looked at when a simulation is under way.
    reg signed_a, signed_b, started = 1'b0;
    always @(posedge CLK0) begin
        started <= 1'b1;
        signed_a <= SIGNEDA;
        signed_b <= SIGNEDB;
        if (started && (signed_a != SIGNEDA || signed_b != SIGNEDB))
            $fatal(1, "MULT18X18D: SIGNEDA and SIGNEDB must not change in this model");
        if (SOURCEA === 1'b1 || SOURCEB === 1'b1)
            $fatal(1, "MULT18X18D: operands from the shift chain are not in this model");
        if ((|c) === 1'b1)
            $fatal(1, "MULT18X18D: this model has no C input");
    end
endmodule

// One of its registers, which is a wire if CLOCK is "NONE".
module celosia_mult18x18d_register #(
        parameter WIDTH = 18, parameter CLOCK = "NONE", parameter ENABLE = "CE0", parameter RESET
        = "RST0"
) (
    input [3:0] clocks, enables, resets,
    input [WIDTH-1:0] d,
    output [WIDTH-1:0] q
);
    localparam CLOCK_INDEX = CLOCK == "CLK1" ? 1 : CLOCK == "CLK2" ? 2 : CLOCK == "CLK3" ? 3 : 0;
    localparam ENABLE_INDEX = ENABLE == "CE1" ? 1 : ENABLE == "CE2" ? 2 : ENABLE == "CE3" ? 3 : 0;
    localparam RESET_INDEX = RESET == "RST1" ? 1 : RESET == "RST2" ? 2 : RESET == "RST3" ? 3 : 0;

    generate
        if (CLOCK == "NONE") begin : g_wire
            assign q = d;
        end else begin : g_register
            wire clock = clocks[CLOCK_INDEX];
            reg [WIDTH-1:0] value = 0;
            always @(posedge clock)
                if (resets[RESET_INDEX]) value <= 0;
                else if (enables[ENABLE_INDEX]) value <= d;
            assign q = value;
        end
    endgenerate

    generate
        if ((CLOCK != "NONE" && CLOCK != "CLK0" && CLOCK_INDEX == 0)
                || (ENABLE != "CE0" && ENABLE_INDEX == 0)
                || (RESET != "RST0" && RESET_INDEX == 0))
            $fatal(1, "MULT18X18D: no register with %s, %s, %s", CLOCK, ENABLE, RESET);
    endgenerate
endmodule
